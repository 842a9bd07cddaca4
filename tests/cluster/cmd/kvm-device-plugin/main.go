// kvm-device-plugin offers a node's /dev/kvm to pods that are not privileged,
// under the name that KubeVirt's plugin gives it.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	device = "/dev/kvm"
	// How often the device and the plugin's socket are looked at.
	pause = 2 * time.Second
)

type plugin struct {
	api.UnimplementedDevicePluginServer
	count int
}

func (plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

// ListAndWatch names as many devices as pods may hold it: the file can be open any number of times.
func (p plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	told := ""
	for stream.Context().Err() == nil {
		health := api.Healthy
		if _, err := os.Stat(device); err != nil {
			health = api.Unhealthy
		}
		if health != told {
			answer := &api.ListAndWatchResponse{}
			for n := range p.count {
				answer.Devices = append(answer.Devices, &api.Device{ID: "kvm" + strconv.Itoa(n), Health: health})
			}
			if err := stream.Send(answer); err != nil {
				return err
			}
			told = health
		}
		time.Sleep(pause)
	}
	return nil
}

func (plugin) Allocate(_ context.Context, request *api.AllocateRequest) (*api.AllocateResponse, error) {
	answer := &api.AllocateResponse{}
	for range request.ContainerRequests {
		spec := &api.DeviceSpec{ContainerPath: device, HostPath: device, Permissions: "rw"}
		answer.ContainerResponses = append(answer.ContainerResponses,
			&api.ContainerAllocateResponse{Devices: []*api.DeviceSpec{spec}})
	}
	return answer, nil
}

// serve registers with the kubelet and returns when the kubelet has forgotten: it empties the folder when it starts.
func serve(folder, name string, count int) error {
	socket := filepath.Join(folder, "kvm.sock")
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	defer server.Stop()
	api.RegisterDevicePluginServer(server, plugin{count: count})
	go server.Serve(listener)

	kubelet, err := grpc.NewClient("unix:"+filepath.Join(folder, "kubelet.sock"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer kubelet.Close()
	_, err = api.NewRegistrationClient(kubelet).Register(context.Background(), &api.RegisterRequest{
		Version: api.Version, Endpoint: filepath.Base(socket), ResourceName: name,
	}, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	log.Printf("the kubelet knows %s", name)
	for err == nil {
		time.Sleep(pause)
		_, err = os.Stat(socket)
	}
	return nil
}

func main() {
	folder := flag.String("folder", api.DevicePluginPath, "the kubelet's folder for device plugins")
	name := flag.String("resource", "devices.kubevirt.io/kvm", "name of the resource")
	count := flag.Int("count", 100, "how many containers may hold the device")
	flag.Parse()
	for {
		if err := serve(*folder, *name, *count); err != nil {
			log.Print(err)
			time.Sleep(pause)
		}
	}
}
