/// A reply that may be too long for one turn: it is made step by step, between other connections' turns.
///
/// A step takes a fraction of a millisecond. Commands that follow are executed when it is over. What it
/// shows may change meanwhile.
final class Listing {
    enum Step {
        case more, over
        /// Its rest cannot be told: the connection ends.
        case lost
    }

    /// Appends some lines, or the reply's end.
    private let step: (inout OutputBuffer, Moment) -> Step
    private let end: () -> Void

    /// - Parameter end: called once, however the listing ends.
    init(
        step: @escaping (inout OutputBuffer, Moment) -> Step, end: @escaping () -> Void = {}
    ) {
        self.step = step
        self.end = end
    }

    deinit { end() }

    enum Outcome {
        case outputFull, tired, over
        case lost
    }

    private static let stepsPerTurn = 4

    /// Makes some steps. Above the output's high-water mark it waits for its reader.
    func run(_ output: inout OutputBuffer, now: Moment) -> Outcome {
        for _ in 0..<Self.stepsPerTurn {
            guard !output.isAboveHighWater else { return .outputFull }
            switch step(&output, now) {
            case .more: continue
            case .over: return .over
            case .lost: return .lost
            }
        }
        return .tired
    }
}
