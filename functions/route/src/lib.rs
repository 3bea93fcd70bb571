//! safelight-route
