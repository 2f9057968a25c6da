package import MemcacheProtocol
package import SessionMap

/// How an exptime on the wire becomes a deadline.
package enum ExptimeRule: Equatable, Sendable {
    /// Below 1,000,000,000: seconds from now. From there on: a Unix time. 31 days are 31 days.
    case asWritten
    /// memcached's: above 30 days it is a Unix time, which has passed when not in the future.
    case classic

    package func deadline(_ exptime: Int32, now: Moment) -> Deadline {
        exptime < 0 ? .past : deadline(unsigned: UInt32(exptime), now: now)
    }

    /// The binary protocol's exptimes have no sign.
    package func deadline(unsigned exptime: UInt32, now: Moment) -> Deadline {
        if exptime == 0 { return .never }
        if isRelative(exptime) { return .at(UInt64(now.seconds) + UInt64(exptime)) }
        let left = Int64(exptime) - now.wallSeconds
        return left <= 0 ? .past : .at(UInt64(now.seconds) + UInt64(left))
    }

    private func isRelative(_ exptime: UInt32) -> Bool {
        switch self {
        case .asWritten: exptime < ProtocolLimits.relativeExptimeEnd
        case .classic: exptime <= ProtocolLimits.classicRelativeExptimeMax
        }
    }

    /// Whether an `add` only asks if the key is there.
    ///
    /// libmemcached's `memcached_exist`, and with it PHP's strict sessions on every request, sends
    /// `add KEY 0 2678400 0` and relies on nothing being stored: 31 days were a date in 1970.
    package func isExistenceProbe(_ header: StoreHeader) -> Bool {
        guard case .add = header.verb else { return false }
        return header.valueByteCount == 0 && isExistenceProbe(exptime: Int64(header.exptime))
    }

    /// The same of an `add` without a value, in whatever protocol.
    func isExistenceProbe(exptime: Int64) -> Bool {
        self == .asWritten && exptime > ProtocolLimits.classicRelativeExptimeMax
            && exptime < ProtocolLimits.relativeExptimeEnd
    }
}
