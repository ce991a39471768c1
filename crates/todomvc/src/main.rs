//! TodoMVC.
fn main() {}
