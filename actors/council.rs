//! The council: the root of the actor tree.
