//! Who is alive: a map from names to handles, owned by one runtime instance.
