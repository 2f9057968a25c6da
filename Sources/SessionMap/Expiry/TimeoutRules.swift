/// How long items live, whatever their clients say. Each rule is in seconds, and 0 is none.
package struct TimeoutRules: Equatable, Sendable {
    /// Since the last access. It governs what its client lets live for as long or for ever; a shorter time of the
    /// client's is kept as it is.
    package var idleSeconds: UInt32 = 0
    /// Since the item's key was first stored: no overwrite, touch or access lets it live longer.
    package var absoluteSeconds: UInt32 = 0
    /// What an item gets whose client lets it live for ever.
    package var defaultSeconds: UInt32 = 0
    /// The most that a client can ask for.
    package var maxSeconds: UInt32 = 0

    package init() {}

    /// Ten years.
    package static let secondsMax: UInt32 = 3_650 * 86_400

    package var areOn: Bool { self != TimeoutRules() }

    /// Why these rules cannot stand beside each other, in a sentence.
    package var contradiction: String? {
        if absoluteSeconds != 0, idleSeconds > absoluteSeconds {
            return "absolute must not be less than idle: nothing would live to be idle"
        }
        if maxSeconds != 0, idleSeconds > maxSeconds {
            return "idle must not be more than exptime_max: it would govern nothing"
        }
        if maxSeconds != 0, defaultSeconds > maxSeconds {
            return "exptime_default must not be more than exptime_max"
        }
        return nil
    }
}
