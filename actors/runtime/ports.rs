//! Ports: how the actors reach the world.
