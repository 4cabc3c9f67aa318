"""The paper's experiments by one command each: pictures and tables beside the paper's values."""
