//! safelight-fail
