//! foureyes-gateway
