import CacheNode

/// What `-o` says of how long items live.
struct TimeoutOptions {
    private var seconds: [String: Int] = [:]

    static let names = ["idle", "absolute", "exptime_default", "exptime_max"]

    private static let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]

    mutating func read(_ name: String, _ value: String?) throws(Refusal) {
        seconds[name] = try Self.seconds(
            name, value, max: SpaceConfiguration.timeoutSecondsMax)
    }

    /// Once all are there.
    func apply(to space: inout SpaceConfiguration) throws(Refusal) {
        let contradiction = space.setTimeouts(
            idle: seconds["idle"] ?? 0, absolute: seconds["absolute"] ?? 0,
            exptimeDefault: seconds["exptime_default"] ?? 0,
            exptimeMax: seconds["exptime_max"] ?? 0)
        if let contradiction { throw Refusal(contradiction) }
    }

    /// A number of seconds, or one with a unit behind it; 0 is off.
    static func seconds(_ name: String, _ value: String?, max: Int) throws(Refusal) -> Int {
        guard let value, !value.isEmpty else {
            throw Refusal("\(name) needs a time, as 1800, 30m, 8h or 2d")
        }
        let unit = value.last.flatMap { units[$0] }
        let digits = unit == nil ? value[...] : value.dropLast()
        guard let number = Int(digits), number >= 0, digits.allSatisfy(\.isNumber),
            case (let seconds, let overflow) = number.multipliedReportingOverflow(by: unit ?? 1),
            !overflow, seconds <= max
        else {
            throw Refusal(
                "\(name) must be 0 to \(max) seconds, or a number with s, m, h or d behind it, "
                    + "not \"\(value)\"")
        }
        return seconds
    }
}
