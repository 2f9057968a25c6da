/// What came of the operations that were carried out last, so that one that is sent again is not carried out again.
struct AppliedOperations {
    private var outcomes = NumberTable<Outcome>()
    private var order: [OperationNumber] = []
    private var next = 0
    private let countMax: Int
    /// Most are alike, and then one array is all of theirs.
    private var last = Outcome([])

    init(countMax: Int) { self.countMax = countMax }

    subscript(_ number: OperationNumber) -> Outcome? { outcomes[number.bits] }

    /// It did not become part of what both owners have: it is carried out again.
    mutating func forget(_ number: OperationNumber) { outcomes[number.bits] = nil }

    mutating func remember(_ number: OperationNumber, _ outcome: Outcome?) {
        guard let outcome, outcome.isRemembered else { return }
        if outcome != last { last = outcome }
        guard outcomes.update(last, for: number.bits) == nil else { return }
        if order.count < countMax { return order.append(number) }
        outcomes[order[next].bits] = nil
        order[next] = number
        next = next + 1 == countMax ? 0 : next + 1
    }
}
