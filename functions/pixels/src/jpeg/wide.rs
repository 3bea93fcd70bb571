//! The same code for plain and for newer processors.

/// Work whose inner loops gain from wider registers. Everything below `run` that matters has to be
/// inlined into it, since only then it is compiled for them.
pub(crate) trait Wide {
    /// What it gives.
    type Output;

    /// Does it.
    fn run(self) -> Self::Output;
}

struct Operation<W>(W);

impl<W: Wide> pulp::WithSimd for Operation<W> {
    type Output = W::Output;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> W::Output {
        self.0.run()
    }
}

/// Runs the variant that this processor is best at. All of them give the same bytes: the order of
/// floating-point operations is the same, and none are fused.
pub(crate) fn wide<W: Wide>(work: W) -> W::Output {
    pulp::Arch::new().dispatch(Operation(work))
}
