/// What came of the operations that were carried out last, so that one that is sent again is not carried out again.
struct AppliedOperations: Sendable {
    private var outcomes: [OperationNumber: Outcome] = [:]
    private var order: [OperationNumber] = []
    private var next = 0
    private let countMax: Int

    init(countMax: Int) { self.countMax = countMax }

    subscript(_ number: OperationNumber) -> Outcome? { outcomes[number] }

    /// It did not become part of what both owners have: it is carried out again.
    mutating func forget(_ number: OperationNumber) { outcomes[number] = nil }

    mutating func remember(_ number: OperationNumber, _ outcome: Outcome?) {
        guard let outcome, outcome.isRemembered else { return }
        guard outcomes.updateValue(outcome, forKey: number) == nil else { return }
        if order.count < countMax {
            order.append(number)
        } else {
            outcomes[order[next]] = nil
            order[next] = number
            next = (next + 1) % countMax
        }
    }
}
