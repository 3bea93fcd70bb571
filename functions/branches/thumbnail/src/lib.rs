//! safelight-branch-thumbnail
