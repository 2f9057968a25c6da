/// Whether an arena is in use, and since which start of the machine.
///
/// As long as the machine runs, memory that a process leaves behind holds every byte it stored, in
/// whatever order. On disk, after the machine stopped, some pages are older than others: such an arena is
/// whole only if a node has closed it, after everything else had been written.
package enum ArenaState: Equatable, Sendable {
    case closed
    /// In use by, or left by, a process of the start of the machine that this number stands for.
    case open(UInt64)

    private static let offset = 112
    private static let closedWord: UInt64 = 0x434C_4F53_4544_2121

    /// - Parameter bootID: 16 bytes; zero where the kernel does not tell, which then is always the same.
    package static func open(bootID: [UInt8]) -> ArenaState {
        // Half of it would do: nearly all of it is random. So one store changes the state.
        let word = bootID.withUnsafeBytes { KeyHash(seed: closedWord).hash($0) }
        return .open(word == closedWord ? 0 : word)
    }

    package init(_ page: UnsafeRawBufferPointer) {
        let word = page.load(fromByteOffset: Self.offset, as: UInt64.self)
        self = word == Self.closedWord ? .closed : .open(word)
    }

    package func write(to page: UnsafeMutableRawPointer) {
        let word =
            switch self {
            case .closed: Self.closedWord
            case .open(let word): word
            }
        Region.order()
        page.storeBytes(of: word, toByteOffset: Self.offset, as: UInt64.self)
        Region.order()
    }

    /// Whether all pages are of one moment: always while the machine runs, afterwards if it was closed.
    package func fitsTogether(bootID: [UInt8]) -> Bool {
        self == .closed || self == .open(bootID: bootID)
    }
}
