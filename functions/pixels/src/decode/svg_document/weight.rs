//! What a part of a document weighs, with all that it uses.

/// Bytes of a gradient's stop.
const A_STOP: u64 = 16;

/// What the library would make of a node and all that it holds and uses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    pub(super) elements: u64,
    /// Lines and curves of paths, with those of the copies.
    pub(super) segments: u64,
    /// Elements of markers, patterns, masks, clips and filters, as often as they are copied.
    pub(super) copies: u64,
    /// Gradients, patterns, clips, masks and filters, as often as they are copied.
    pub(super) servers: u64,
    /// Shapes that are painted as what uses them is.
    pub(super) borrowers: u64,
    pub(super) bytes: u64,
    pub(super) steps: u64,
}

impl Weight {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            elements: self.elements.saturating_add(other.elements),
            segments: self.segments.saturating_add(other.segments),
            copies: self.copies.saturating_add(other.copies),
            servers: self.servers.saturating_add(other.servers),
            borrowers: self.borrowers.saturating_add(other.borrowers),
            bytes: self.bytes.saturating_add(other.bytes),
            steps: self.steps.saturating_add(other.steps),
        }
    }

    /// With so many copies of another that its properties name.
    pub(super) fn with_copies(self, other: Self, times: u64) -> Self {
        let elements = other.elements.saturating_add(other.copies);
        self.plus(Self {
            elements: 0,
            segments: other.segments.saturating_mul(times),
            copies: elements.saturating_mul(times),
            servers: other.servers.saturating_add(1).saturating_mul(times),
            borrowers: other.borrowers.saturating_mul(times),
            bytes: other.bytes.saturating_mul(times),
            steps: other.steps.saturating_mul(times),
        })
    }

    /// With another gradient of its own.
    pub(super) fn with_gradient(self, gradient: Self) -> Self {
        self.plus(Self {
            servers: 1,
            bytes: gradient.elements.saturating_mul(A_STOP),
            steps: gradient.elements,
            ..Self::default()
        })
    }
}
