//! safelight-branch-label
