/// Several nodes that are asked at the same time, without any I/O: who has answered, and when the others
/// have had their time.
///
///     asked ──enough answers──> stragglers have `stragglerTimeout` ──over──> cancelled
///       └──────────── all answers ──────────────┴──────────────────────────────┴────> ended
///
/// Goals: an answer of each node, also of one that was cancelled; a hung node costs the straggler timeout
/// and not the deadline.
struct CopyRound<Answer> {
    enum Step: Equatable {
        case wait
        /// The others have the straggler timeout from now on, once.
        case timeStragglers
        case end
    }

    private(set) var answers: [(place: Int, answer: Answer)] = []
    private let placeCount: Int
    private let isEnough: ([Answer]) -> Bool
    private var isTimed = false

    /// - Parameter isEnough: asked at first, and after each answer until it says so.
    init(placeCount: Int, isEnough: @escaping ([Answer]) -> Bool) {
        self.placeCount = placeCount
        self.isEnough = isEnough
    }

    mutating func begin() -> Step { next() }

    mutating func receive(_ answer: Answer, from place: Int) -> Step {
        answers.append((place, answer))
        return next()
    }

    private mutating func next() -> Step {
        if answers.count == placeCount { return .end }
        guard !isTimed, isEnough(answers.map(\.answer)) else { return .wait }
        isTimed = true
        return .timeStragglers
    }

    /// In the order of the nodes.
    var result: [(place: Int, answer: Answer)] { answers.sorted { $0.place < $1.place } }
}
