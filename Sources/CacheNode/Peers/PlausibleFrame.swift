import Cluster
import MemcacheProtocol

extension PeerFrame {
    /// Whether a command that was passed on is one, about its key: nothing else may be carried out.
    var isPlausible: Bool {
        guard case .forward(let request, _) = self else { return true }
        let command = request.command
        let shape = CommandShape.of(
            command.span, isBinary: command.first == BinaryHeader.requestMagic,
            valueByteCountMax: .max)
        switch shape {
        case .keyed(let keyed):
            return keyed.byteCount == command.count && keyed.isRead == request.isRead
                && keyed.withKey(in: command.span) {
                    $0.withUnsafeBytes { request.key.elementsEqual($0) }
                }
        case .unknown, .local, .several, .flush: return false
        }
    }
}
