// Included by no header of the API: does not belong into a project.
#pragma once
