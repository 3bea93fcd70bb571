//! safelight-sqlite
