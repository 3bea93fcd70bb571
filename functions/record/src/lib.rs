//! safelight-record
