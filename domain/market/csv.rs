//! Bars from CSV text: columns by name, decimals through text, errors with their line.
