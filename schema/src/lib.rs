//! safelight-schema
