/// A reply that may be too long for one turn: it is made step by step, between other connections' turns.
///
/// A step takes a fraction of a millisecond. Commands that follow are executed when it is over. What it
/// shows may change meanwhile.
struct Listing {
    enum Step {
        case more, over
        /// Its rest cannot be told: the connection ends.
        case lost
    }

    /// Appends some lines, or the reply's end.
    let step: (inout OutputBuffer, Moment) -> Step
    /// Called once, however it ends.
    var end: () -> Void = {}
}

extension Connection {
    static let listingStepsPerTurn = 4

    func begin(_ listing: Listing) {
        self.listing = listing
        state = .listing
    }

    /// Above the output's high-water mark it waits for its reader.
    func runListing(now: Moment) -> Progress {
        guard let listing else { preconditionFailure("a step of no listing") }
        for _ in 0..<Self.listingStepsPerTurn {
            guard !output.isAboveHighWater else { return .full }
            switch listing.step(&output, now) {
            case .more: continue
            case .over: state = .command
            case .lost: state = .closed
            }
            listing.end()
            self.listing = nil
            return input.isEmpty ? .went : .tired
        }
        return .tired
    }
}
