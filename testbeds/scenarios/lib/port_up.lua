-- The port of a network card is up with an address, and carries the default route where a gateway is named.
return function(host, card, address, gateway)
  local route = gateway and ('ip route add default via %s dev "$port"'):format(gateway) or ""
  host:shell(([[
    set -e
    port=$(ls /sys/bus/pci/devices/%s/net)
    ip link set "$port" up
    ip address add %s dev "$port"
    %s]]):format(card, address, route))
end
