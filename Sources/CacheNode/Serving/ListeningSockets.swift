package import EventLoop

extension NodeConfiguration {
    /// The sockets that `listening` says. Who only holds them for a node asks for them, too.
    package func makeSockets() throws(NodeError) -> [ListeningSocket] {
        let backlog = Int32(clamping: rules.backlog)
        do throws(SocketError) {
            switch rules.listening {
            case .unix(let path, let mode):
                return [try .unix(path: path, mode: mode, backlog: backlog)]
            case .tcp(let places):
                var sockets: [ListeningSocket] = []
                for place in places {
                    sockets += try ListeningSocket.tcp(
                        host: place.host, port: place.port, backlog: backlog)
                }
                return sockets
            case .handedOver(let descriptors):
                return descriptors.map { ListeningSocket(adopting: $0) }
            }
        } catch {
            throw NodeError(error)
        }
    }
}
