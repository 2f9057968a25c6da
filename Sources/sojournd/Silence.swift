/// How long a node has been silent, as far as its supervisor was there to listen.
struct Silence {
    let limitMilliseconds: Int
    private var milliseconds = 0

    init(limitMilliseconds: Int) { self.limitMilliseconds = limitMilliseconds }

    /// How often the supervisor looks.
    var tickMilliseconds: Int { max(1, limitMilliseconds / 8) }

    mutating func heard() { milliseconds = 0 }

    /// Whether it is too long by now.
    ///
    /// - Parameter since: the milliseconds since the look before. If this one comes late, it was held up itself, and so
    ///   may the node have been, by the whole machine: that time counts for nothing.
    mutating func isTooLong(since: Int) -> Bool {
        if since <= 2 * tickMilliseconds { milliseconds += max(0, since) }
        return milliseconds >= limitMilliseconds
    }
}
