//! End-to-end tests on the deployed application.
