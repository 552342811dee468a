//! The streaming feature engine: one bar in, the figures of its close out.
