//! Tests of selection: estimators against other programs and against known truth.

mod estimators;
mod truth;
