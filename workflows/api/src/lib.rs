//! safelight-api
