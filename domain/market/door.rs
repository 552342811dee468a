//! The bar door: checks every bar before anything else sees it, and names what is wrong.
