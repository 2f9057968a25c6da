import MemcacheProtocol

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// When an item goes by itself.
public enum Expiry: Hashable, Sendable {
    case never
    /// So long from now on. Nodes count in whole seconds: a part of one counts as one, and the item
    /// lives for at most a second less than was asked for. Zero or less: at once.
    case after(Duration)
    /// At that Unix time.
    case at(unixSeconds: Int64)

    /// memcached takes relative times beyond 30 days for dates, our node does not: a date means the
    /// same to both.
    func exptime(unixSeconds now: @autoclosure () -> Int64 = Self.unixSeconds()) -> Int32 {
        switch self {
        case .never: return 0
        case .after(let duration):
            let seconds = duration.wholeSecondsRoundedUp
            if seconds <= 0 { return -1 }
            if seconds <= Int64(ProtocolLimits.classicRelativeExptimeMax) { return Int32(seconds) }
            let (date, overflow) = now().addingReportingOverflow(seconds)
            return overflow ? Int32.max : Int32(clamping: date)
        case .at(let unixSeconds):
            // What could be read as a relative time is a date of long ago.
            if unixSeconds < Int64(ProtocolLimits.relativeExptimeEnd) { return -1 }
            return Int32(clamping: unixSeconds)
        }
    }

    /// The Unix time that an exptime of ours stands for; nil for never.
    static func deadline(of exptime: Int32, unixSeconds now: Int64 = unixSeconds()) -> Int64? {
        if exptime == 0 { return nil }
        if exptime < 0 { return 0 }
        let isRelative = exptime <= ProtocolLimits.classicRelativeExptimeMax
        return isRelative ? now + Int64(exptime) : Int64(exptime)
    }

    /// Whether an exptime of ours has come already.
    static func isOver(_ exptime: Int32, unixSeconds now: Int64 = unixSeconds()) -> Bool {
        deadline(of: exptime, unixSeconds: now).map { $0 <= now } ?? false
    }

    /// - Returns: nil for never.
    static func timeLeft(
        of exptime: Int32, unixSeconds now: Int64 = unixSeconds()
    ) -> Duration? {
        deadline(of: exptime, unixSeconds: now).map { .seconds(max(0, $0 - now)) }
    }

    static func unixSeconds() -> Int64 { Int64(time(nil)) }
}

extension Duration {
    var wholeSecondsRoundedUp: Int64 {
        let (seconds, attoseconds) = components
        guard attoseconds > 0, seconds < Int64.max else { return seconds }
        return seconds + 1
    }
}
