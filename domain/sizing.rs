//! Sizing: from a signal to a size under every cap.
