/// Which of the nodes a key is on.
package enum Placement: Sendable {
    case oneNode

    package var nodeCount: Int { 1 }

    func node(of key: [UInt8]) -> Int { 0 }
}
