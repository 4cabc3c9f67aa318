// The WiFi network that the board joins. Yours to change; keep passwords out of version control.
#pragma once

namespace wifi {

inline constexpr char kSsid[] = "your-network";
inline constexpr char kPassword[] = "your-password";

}  // namespace wifi
