/// When something ends that is waited for, or when it began.
typealias Instant = ContinuousClock.Instant

extension Duration {
    /// Of what the client waits for, which is hours at most.
    var nanoseconds: Int64 {
        components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
    }
}
