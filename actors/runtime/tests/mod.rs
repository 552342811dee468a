//! What the tests of several agents share.

pub(crate) mod answer_cases;
