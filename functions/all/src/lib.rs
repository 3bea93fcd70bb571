//! safelight-functions
