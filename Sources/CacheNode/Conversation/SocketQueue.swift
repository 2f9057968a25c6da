/// Sockets that wait for a phase of their worker's turn.
///
/// The worker owns them, and takes out those that it closes; so they need not be retained here, which
/// would take two atomic operations each.
struct SocketQueue: ~Copyable {
    static let capacity = 64

    private var sockets: [Unmanaged<ClientSocket>?]
    private(set) var count = 0

    init() { sockets = Array(repeating: nil, count: Self.capacity) }

    @inline(__always)
    mutating func append(_ socket: ClientSocket) {
        sockets[count] = .passUnretained(socket)
        count += 1
    }

    /// The socket of a place; nothing where one was taken out.
    @inline(__always)
    subscript(place: Int) -> Unmanaged<ClientSocket>? { sockets[place] }

    /// Leaves the other places as they are: somebody may be going through them.
    mutating func takeOut(_ socket: ClientSocket) {
        for place in 0..<count
        where sockets[place]?.toOpaque() == Unmanaged.passUnretained(socket).toOpaque() {
            sockets[place] = nil
        }
    }

    @inline(__always)
    mutating func removeAll() { count = 0 }
}
