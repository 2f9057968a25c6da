import Cluster

/// What was asked before it was known by which generation others act.
struct EarlyRequests {
    struct Request {
        enum What {
            case commands([ClientCommand], Range<Int>)
            case flush(UInt32)
        }

        let pending: Pending
        let askedAt: UInt64
        let what: What

        init(_ pending: Pending, _ askedAt: UInt64, _ what: What) {
            (self.pending, self.askedAt, self.what) = (pending, askedAt, what)
        }

        /// Of the request's outcomes those that this is about.
        fileprivate var places: Range<Int> {
            switch what {
            case .commands(_, let places): places
            case .flush: 0..<1
            }
        }
    }

    private var requests: [Request] = []

    mutating func append(_ request: Request) { requests.append(request) }

    mutating func takeAll() -> [Request] {
        defer { requests = [] }
        return requests
    }

    /// Ends those that do not wait any longer. Returns how many clients are hung up on.
    mutating func giveUp(at now: UInt64) -> Int {
        guard !requests.isEmpty else { return 0 }
        let late = requests.filter { now > $0.askedAt + Member.budget }
        requests.removeAll { now > $0.askedAt + Member.budget }
        var count = 0
        for request in late {
            for place in request.places {
                count += 1
                request.pending.end(place, .none, isAwaited: true)
            }
        }
        return count
    }
}
