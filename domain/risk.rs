//! Value at risk, conditional value at risk and correlation from return windows.
