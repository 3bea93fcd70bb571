//! safelight-alert
