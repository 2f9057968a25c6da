import SessionMap

/// Reads that put off the end of what they read, where there is an idle timeout: the other owners have to learn of
/// it, or the session ends with whoever has read it.
extension Peers {
    /// What a read of an item that is here makes of its end.
    enum Renewal {
        /// It stays.
        case none
        /// It is put off, of which a note tells the others in time.
        case told
        /// Whoever is in charge of the key has to do that.
        case decided
    }

    func renewal(byReading key: Span<UInt8>, now moment: Moment) -> Renewal {
        guard let map, map.lifetimes.hasIdleTimeout else { return .none }
        var renewal = Renewal.none
        _ = map.peek(key, now: moment.seconds, fraction: moment.fraction) {
            renewal = self.renewal(byReading: $0, map.lifetimes)
        }
        return renewal
    }

    /// The same of an item that is seen with its shard's lock held.
    func renewal(byReading hit: Hit, _ lifetimes: Lifetimes) -> Renewal {
        let renewed = lifetimes.deadline(afterAccessTo: hit)
        guard renewed != hit.deadline else { return .none }
        let canWait =
            renewed.seconds > hit.deadline.seconds
            && (hit.secondsLeft ?? .max) >= NodeStore.secondsWithoutRenewal
        return canWait && gates.isEverybodyHere && notes.hasRoom ? .told : .decided
    }
}
