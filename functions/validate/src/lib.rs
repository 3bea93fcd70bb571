//! safelight-validate
