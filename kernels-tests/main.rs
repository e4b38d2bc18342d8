//! Every kernel against a float64 reference.
