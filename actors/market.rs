//! The market actor: closed bars in, features and signals out.
