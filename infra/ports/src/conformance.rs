//! Conformance suites, one a port: every adapter runs them in its tests.
