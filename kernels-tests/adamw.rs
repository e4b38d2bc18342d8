//! adamw: Adam whose weight decay acts on the parameter; the equations are in `adam.rs`.

use crate::adam::Spec;
use crate::harness::check;

#[test]
fn adamw() {
    check::<Spec<true>>();
}
